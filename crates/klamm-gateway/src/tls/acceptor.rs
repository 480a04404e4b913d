//! `Acceptor`: opens TLS over accepted connections, always with the newest files that are good.

use super::files::{Files, TlsConfig, TlsError};
use crate::watched_file::Looks;
use klamm_tls::CertificateName;
use parking_lot::{Mutex, RwLock};
use rustls::ServerConfig;
use std::fmt;
use std::io;
use std::sync::{Arc, Weak};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Opens TLS over accepted connections. Clones are the same one.
///
/// Its files are read again when they change, until the last clone is dropped. Connections that are open stay as they are; a
/// pair of files that does not fit together changes nothing, and [`Acceptor::stale`] says so.
#[derive(Clone)]
pub struct Acceptor {
    inner: Arc<Inner>,
}

struct Inner {
    current: RwLock<Arc<ServerConfig>>,
    name: CertificateName,
    looks: Looks,
    stale: Mutex<Option<TlsError>>,
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptor").field("name", &self.inner.name).finish_non_exhaustive()
    }
}

impl Acceptor {
    /// Reads the files and follows their changes. Blocks for as long as reading takes; has to be called inside a tokio
    /// runtime.
    ///
    /// # Errors
    /// [`TlsError`]
    pub fn start(config: TlsConfig) -> Result<Self, TlsError> {
        let mut files = Files::new(config);
        let nothing = || TlsError::Rejected("there is nothing in the files".to_owned());
        let current = RwLock::new(files.changed()?.ok_or_else(nothing)?);
        let (looks, stale) = (Looks::default(), Mutex::default());
        let inner = Arc::new(Inner { current, name: files.name(), looks: looks.clone(), stale });
        follow(Arc::downgrade(&inner), files, looks);
        Ok(Self { inner })
    }

    /// Shakes hands, and says who the client's certificate names; none if it showed none. Sets no time limit.
    ///
    /// Dropping the future closes the connection.
    ///
    /// # Errors
    /// What rustls or the connection says; a certificate that is good has not the name that is asked for.
    pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
    ) -> io::Result<(TlsStream<S>, Option<Arc<str>>)> {
        let current = self.inner.current.read().clone();
        let stream = TlsAcceptor::from(current).accept(stream).await?;
        let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let unnamed = || io::Error::other("the client's certificate has not the name asked for");
        let name = shown.map(|certificate| self.inner.name.of(certificate).ok_or_else(unnamed));
        let name = name.transpose()?.map(Arc::from);
        Ok((stream, name))
    }

    /// Looks at the files soon, without waiting for the next turn.
    pub fn reload(&self) {
        self.inner.looks.now();
    }

    /// Why files that changed could not be taken over; those before them still count.
    pub fn stale(&self) -> Option<TlsError> {
        self.inner.stale.lock().clone()
    }
}

impl Inner {
    fn replace(&self, changed: Result<Option<Arc<ServerConfig>>, TlsError>) {
        let mut stale = self.stale.lock();
        match changed {
            Ok(None) => {}
            Ok(Some(new)) => {
                *self.current.write() = new;
                *stale = None;
                tracing::info!("certificate and key were read again");
            }
            Err(error) if stale.as_ref() == Some(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "certificate and key stay as they were");
                *stale = Some(error);
            }
        }
    }
}

/// Reads the files whenever they change, until the acceptor is gone.
fn follow(acceptor: Weak<Inner>, mut files: Files, looks: Looks) {
    tokio::spawn(async move {
        loop {
            looks.next().await;
            if acceptor.strong_count() == 0 {
                return;
            }
            let look = tokio::task::spawn_blocking(move || {
                let changed = files.changed();
                (files, changed)
            });
            let Ok((again, changed)) = look.await else { return };
            files = again;
            let Some(acceptor) = acceptor.upgrade() else { return };
            acceptor.replace(changed);
        }
    });
}

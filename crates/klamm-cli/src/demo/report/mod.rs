//! The run as one page that needs nothing else: figures, plots, how it was made. It suits light and dark.

mod page;
mod plot;

pub(super) use self::page::page;

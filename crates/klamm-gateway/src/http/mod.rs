//! Between a socket and the records of a request: where a request goes, whether there is room for it, and how it is refused.

mod admission;
mod path;
mod problem;

pub use self::admission::{Admission, Admitted, Crowded};
pub(crate) use self::path::is_topic;
pub use self::path::{Path, WrongPath};
pub use self::problem::Problem;

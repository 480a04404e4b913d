//! The log against a disk that fails and a power that goes, and whom a sync is for.

mod chapters;
mod crowd;
mod faults;
mod handle;
mod life;
mod power_loss;
mod snapping;

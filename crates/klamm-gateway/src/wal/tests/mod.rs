//! The log against a disk that fails and a power that goes.

mod chapters;
mod faults;
mod handle;
mod life;
mod power_loss;
mod snapping;

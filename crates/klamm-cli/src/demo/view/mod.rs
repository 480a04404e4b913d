//! What is seen while it runs: a picture that is redrawn on a terminal, lines elsewhere.

mod frame;
mod paint;
mod screen;

pub(super) use self::frame::{Faults, Member, Scene, event, title};
pub(super) use self::paint::{Line, Paint, Style};
pub(super) use self::screen::{View, stdout_style};

//! `cargo xtask bench gateway`: klamm's gateway beside others, under the same requests in one run.
//!
//! `peers` are the gateways and how each is built and started, `cases` what is asked of them, `load` runs `klamm perf http`
//! and reads what it says, `turns` takes turns, `probe` asks the bare disk meanwhile, and `table` makes of it what a
//! person reads. For our own alone `lone` counts syncs, `overload` asks for more than there is room for, and `restart` starts with
//! much in the log.

mod cases;
mod guard;
mod load;
mod lone;
mod nginx;
mod overload;
mod peers;
mod probe;
mod restart;
mod table;
mod turns;

pub(super) use self::turns::run;

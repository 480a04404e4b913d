//! What Kafka does in a round.

use std::fmt::{self, Display, Formatter};
use std::thread;
use std::time::{Duration, Instant};

use crate::chaos::kafka::Kafka;
use crate::failure::Result;

/// Between two blows of a flapping Kafka.
const GUST: Duration = Duration::from_millis(150);

/// What Kafka does in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weather {
    Up,
    Down,
    Flapping,
}

/// Twice each: some rounds begin as the one before has ended.
const ROUNDS: [Weather; 6] =
    [Weather::Up, Weather::Up, Weather::Down, Weather::Down, Weather::Flapping, Weather::Flapping];

impl Weather {
    /// That of a round, counted from 0.
    pub(super) fn of(round: u32) -> Self {
        ROUNDS[round as usize % ROUNDS.len()]
    }
}

impl Display for Weather {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Flapping => "flapping",
        })
    }
}

/// A Kafka in the weather.
pub(super) struct Exposed {
    pub(super) kafka: Kafka,
    up: bool,
}

impl Exposed {
    /// One that is up.
    pub(super) fn new(kafka: Kafka) -> Self {
        Self { kafka, up: true }
    }

    /// Brings it back if it is away.
    pub(super) fn shelter(&mut self) -> Result<()> {
        if !self.up {
            self.kafka.start()?;
            self.up = true;
        }
        Ok(())
    }

    /// Lets it have this weather for so long; how it is left is how the next round finds it.
    pub(super) fn endure(&mut self, weather: Weather, time: Duration) -> Result<()> {
        match weather {
            Weather::Up => {
                self.shelter()?;
                thread::sleep(time);
            }
            Weather::Down => {
                if self.up {
                    self.kafka.kill()?;
                    self.up = false;
                }
                thread::sleep(time);
            }
            Weather::Flapping => {
                self.shelter()?;
                self.flap(time)?;
            }
        }
        Ok(())
    }

    /// Now it answers nobody, now it is killed and starts again.
    fn flap(&mut self, time: Duration) -> Result<()> {
        let (end, mut killed) = (Instant::now() + time, false);
        while Instant::now() < end {
            self.kafka.pause()?;
            thread::sleep(GUST);
            self.kafka.resume()?;
            thread::sleep(GUST);
            // A real one takes longer to start than a round lasts, and goes down in its own rounds.
            if !killed && matches!(self.kafka, Kafka::Klamm(_)) {
                self.kafka.kill()?;
                thread::sleep(GUST);
                self.kafka.start()?;
                killed = true;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Weather;

    #[test]
    fn every_weather_follows_itself_and_another() {
        let names: Vec<String> = (0..7).map(|round| Weather::of(round).to_string()).collect();
        assert_eq!(names.join(" "), "up up down down flapping flapping up");
    }
}

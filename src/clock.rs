//! The one clock: what time it is and how to wait, injected so that tests and the demo set the pace.
//! Only waiting for the network (timeouts, reconnects) uses real time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::watch;

/// A clock that runs at a chosen speed from a chosen start, and can be set forward by a test.
#[derive(Clone)]
pub struct Clock {
    started: Instant,
    start: DateTime<Utc>,
    speed: f64,
    forward: Arc<watch::Sender<TimeDelta>>,
}

impl Clock {
    /// The machine's clock, at the machine's pace.
    pub fn system() -> Clock {
        Clock::paced(Utc::now(), 1.0)
    }

    /// A clock that shows `start` now and runs `speed` times as fast as the machine's.
    pub fn paced(start: DateTime<Utc>, speed: f64) -> Clock {
        Clock { started: Instant::now(), start, speed, forward: Arc::new(watch::Sender::new(TimeDelta::zero())) }
    }

    /// The time now.
    pub fn now(&self) -> DateTime<Utc> {
        let elapsed = self.started.elapsed().as_secs_f64() * self.speed;
        self.start + TimeDelta::milliseconds((elapsed * 1000.0) as i64) + *self.forward.borrow()
    }

    /// Waits until this clock shows `moment`.
    pub async fn sleep_until(&self, moment: DateTime<Utc>) {
        let mut forward = self.forward.subscribe();
        loop {
            let Ok(left) = (moment - self.now()).to_std() else { return };
            let real = Duration::from_secs_f64((left.as_secs_f64() / self.speed).clamp(0.001, 3600.0));
            tokio::select! {
                () = tokio::time::sleep(real) => {}
                _ = forward.changed() => {}
            }
        }
    }

    /// Waits for `duration` of this clock's time.
    pub async fn sleep(&self, duration: Duration) {
        let wait = TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX / 4);
        self.sleep_until(self.now() + wait).await;
    }

    /// Sets the clock forward; whoever waits for a moment that has come wakes up.
    pub fn advance(&self, by: TimeDelta) {
        self.forward.send_modify(|forward| *forward += by);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn advancing_wakes_a_sleeper() {
        let clock = Clock::system();
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep(Duration::from_secs(3600)).await }
        });
        tokio::task::yield_now().await;
        clock.advance(TimeDelta::hours(2));
        tokio::time::timeout(Duration::from_secs(5), sleeper).await.expect("woken").expect("no panic");
    }
}

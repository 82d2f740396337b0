//! Times that are to be below so many milliseconds are for a machine at its full pace. How fast Open vSwitch takes flow-mods says
//! whether it is: some machines do everything at half their pace for minutes.

use std::fmt::Write as _;
use std::time::Duration;

use crate::recorder::Recorded;
use crate::replay::{LEAST_REPLAYED, replay};
use crate::report::{Figure, Report, Verdict};
use crate::samples::Samples;
use crate::site::Site;
use crate::snapshot::record;
use crate::world::World;

/// Replays of one look.
const REPLAYS: usize = 5;
/// Looks at most until the machine is fast enough, and what is between them.
const LOOKS: usize = 12;
const BETWEEN: Duration = Duration::from_secs(15);
/// Rounds at most until what is missed is missed at full pace.
const ROUNDS: usize = 3;

pub(crate) struct Pace<'s> {
    site: &'s Site,
    recorded: Recorded,
}

impl Pace<'_> {
    pub(crate) async fn of(site: &Site) -> anyhow::Result<Pace<'_>> {
        let lab = site.lab(1).await?;
        let recorded = record(site, &lab.host("compute1")?, World { ports: 5000, peers: 1 }).await?;
        Ok(Pace { site, recorded })
    }

    /// Adds the figures of a round. What it meets, it meets at any pace; if it misses anything while the machine is not at full
    /// pace, there is another round, and what the last one misses so says nothing.
    pub(crate) async fn measure(
        &self,
        report: &mut Report,
        mut round: impl AsyncFnMut() -> anyhow::Result<Vec<Figure>>,
    ) -> anyhow::Result<()> {
        for number in 1.. {
            let before = self.until_full().await?;
            let mut figures = round().await?;
            let mut pace = format!("replayed before: {before:.0}/s");
            if figures.iter().any(|figure| figure.verdict == Verdict::Missed) {
                let after = self.rate().await?;
                if before.min(after) < LEAST_REPLAYED {
                    if number < ROUNDS {
                        println!("  missed something, {before:.0} flow-mods/s before and {after:.0} after: once more");
                        continue;
                    }
                    let missed = figures.iter_mut().filter(|figure| figure.verdict == Verdict::Missed);
                    missed.for_each(|figure| figure.verdict = Verdict::Invalid);
                }
                let _ = write!(pace, ", after: {after:.0}/s");
            }
            for mut figure in figures {
                figure.reference = format!("{}; {pace} (round {number})", figure.reference);
                report.add(figure);
            }
            break;
        }
        Ok(())
    }

    /// Waits a while for the machine to be at full pace; what it is at last.
    async fn until_full(&self) -> anyhow::Result<f64> {
        let mut rate = self.rate().await?;
        for _ in 1..LOOKS {
            if rate >= LEAST_REPLAYED {
                break;
            }
            println!("  {rate:.0} flow-mods/s replayed where {LEAST_REPLAYED:.0} are full pace: waiting");
            tokio::time::sleep(BETWEEN).await;
            rate = self.rate().await?;
        }
        Ok(rate)
    }

    /// Flow-mods a second that Open vSwitch takes.
    async fn rate(&self) -> anyhow::Result<f64> {
        let lab = self.site.lab(1).await?;
        let host = lab.host("compute1")?;
        let mut replays = Samples::default();
        for _ in 0..REPLAYS {
            replays.add(replay(&host, &self.recorded).await?);
        }
        Ok(self.recorded.count as f64 / replays.median().as_secs_f64())
    }
}

use std::time::Duration;

/// Times of the same thing, measured several times.
#[derive(Debug, Clone, Default)]
pub(crate) struct Samples(Vec<Duration>);

impl Samples {
    pub(crate) fn add(&mut self, sample: Duration) {
        let at = self.0.partition_point(|other| *other <= sample);
        self.0.insert(at, sample);
    }

    /// The smallest sample that at least this many of a hundred do not exceed; zero if there is none.
    pub(crate) fn percentile(&self, part: usize) -> Duration {
        let rank = (self.0.len() * part).div_ceil(100);
        self.0.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }

    pub(crate) fn median(&self) -> Duration {
        self.percentile(50)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// `12.3 ms (11.0–15.2)`: the median, and from the fastest to the slowest.
    pub(crate) fn spread(&self) -> String {
        format!("{} ({:.1}–{:.1})", ms(self.median()), millis(self.percentile(0)), millis(self.percentile(100)))
    }
}

/// `12.3 ms`.
pub(crate) fn ms(time: Duration) -> String {
    format!("{:.1} ms", millis(time))
}

pub(crate) fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples() {
        let mut samples = Samples::default();
        assert_eq!(samples.median(), Duration::ZERO);
        for n in [3, 1, 2, 5, 4] {
            samples.add(Duration::from_millis(n));
        }
        let at = |part| samples.percentile(part).as_millis();
        assert_eq!((at(0), at(50), at(60), at(61), at(99), at(100)), (1, 3, 3, 4, 5, 5));
    }
}

//! Chance that a seed decides: one stream of numbers per citizen and purpose, independent of all others.
//!
//! A stream is addressed, not drawn from in turn: how long citizen 17 thinks before step 3 depends on the seed, 17 and
//! that purpose alone. So the same seed gives the same citizens for any number of workers and in the simulator, and a new
//! draw somewhere moves no other. `SplitMix64` (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators",
//! OOPSLA 2014) is seekable, costs three multiplications a number and passes `BigCrush`; its finaliser mixes the address.

/// What a number is drawn for. The values are part of what a seed means: never reuse one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// How many arrive in a slice.
    Count,
    /// When they arrive in it.
    Times,
    /// Which tenant a citizen belongs to.
    Tenant,
    /// Which journey a citizen makes.
    Journey,
    /// How long a citizen waits for an answer.
    Patience,
    /// Which network a citizen comes through.
    Network,
    /// How long a citizen thinks before this step.
    Think(u16),
    /// How long the target works on this step.
    Service(u16),
    /// Whether, and after how long, a citizen comes back, by how often it did before.
    ComeBack(u16),
}

impl Purpose {
    const fn number(self) -> u64 {
        match self {
            Self::Count => 1,
            Self::Times => 2,
            Self::Tenant => 3,
            Self::Journey => 4,
            Self::Patience => 5,
            Self::Network => 6,
            Self::Think(step) => 1 << 16 | step as u64,
            Self::Service(step) => 2 << 16 | step as u64,
            Self::ComeBack(time) => 3 << 16 | time as u64,
        }
    }
}

const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

const fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// An endless sequence of numbers.
#[derive(Debug, Clone)]
pub struct Stream(u64);

impl Stream {
    /// The stream of this seed, subject (a citizen, a slice) and purpose.
    pub const fn new(seed: u64, subject: u64, purpose: Purpose) -> Self {
        let seed = mix(seed.wrapping_add(GAMMA));
        let subject = mix((seed ^ subject).wrapping_add(GAMMA));
        Self(mix((subject ^ purpose.number()).wrapping_add(GAMMA)))
    }

    /// The next number, evenly from all of them.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GAMMA);
        mix(self.0)
    }

    /// Evenly from 0 to below 1, in steps of 2⁻⁵³.
    pub fn unit(&mut self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
        let numerator = (self.next() >> 11) as f64;
        numerator * (1.0 / 9_007_199_254_740_992.0)
    }

    /// Exponentially distributed with mean 1.
    pub fn exponential(&mut self) -> f64 {
        // 1 - u is never 0, so its logarithm is finite.
        -(1.0 - self.unit()).ln()
    }

    /// Normally distributed with mean 0 and deviation 1, by Box and Muller (1958).
    pub fn normal(&mut self) -> f64 {
        let radius = (2.0 * self.exponential()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// Poisson distributed; counts unit exponentials up to `mean`, which costs one logarithm for each.
    pub fn poisson(&mut self, mean: f64) -> u64 {
        let (mut sum, mut count) = (self.exponential(), 0);
        while sum <= mean {
            sum += self.exponential();
            count += 1;
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(seed: u64, subject: u64, purpose: Purpose) -> Vec<u64> {
        let mut stream = Stream::new(seed, subject, purpose);
        (0..32).map(|_| stream.next()).collect()
    }

    #[test]
    fn a_stream_is_the_same_whenever_it_is_opened() {
        assert_eq!(
            numbers(1, 2, Purpose::Tenant),
            numbers(1, 2, Purpose::Tenant)
        );
    }

    #[test]
    fn seed_subject_and_purpose_each_give_another_stream() {
        let all = [
            numbers(1, 2, Purpose::Tenant),
            numbers(2, 2, Purpose::Tenant),
            numbers(1, 3, Purpose::Tenant),
            numbers(1, 2, Purpose::Journey),
            numbers(1, 2, Purpose::Think(0)),
            numbers(1, 2, Purpose::Think(1)),
            numbers(1, 2, Purpose::Service(0)),
        ];
        let distinct: std::collections::HashSet<_> = all.iter().flatten().collect();
        assert_eq!(distinct.len(), 7 * 32);
    }

    #[test]
    fn the_means_are_those_of_the_distributions() {
        let mut stream = Stream::new(7, 0, Purpose::Times);
        let mut mean = |draw: fn(&mut Stream) -> f64| {
            (0..100_000).map(|_| draw(&mut stream)).sum::<f64>() / 100_000.0
        };
        assert!((mean(Stream::unit) - 0.5).abs() < 0.005);
        assert!((mean(Stream::exponential) - 1.0).abs() < 0.015);
        assert!(mean(Stream::normal).abs() < 0.015);
        assert!((mean(|stream| stream.normal().powi(2)) - 1.0).abs() < 0.02);
    }

    #[test]
    fn poisson_counts_vary_as_much_as_their_mean() {
        for mean in [0.3, 4.0, 150.0] {
            let mut stream = Stream::new(3, 1, Purpose::Count);
            let counts: Vec<f64> = (0..20_000)
                .map(|_| f64::from(u32::try_from(stream.poisson(mean)).unwrap()))
                .collect();
            let found = counts.iter().sum::<f64>() / 20_000.0;
            let variance = counts.iter().map(|n| (n - found).powi(2)).sum::<f64>() / 20_000.0;
            assert!((found / mean - 1.0).abs() < 0.03, "{mean}: {found}");
            assert!((variance / mean - 1.0).abs() < 0.06, "{mean}: {variance}");
        }
    }
}

//! How many seats a pool has, as far as its config says: where endpoints come and go only `--live` knows the present number.

use schleuse_config::Pool;

use super::step::grouped;

/// See the head of this file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seats {
    /// Those of the endpoints that the config names.
    Fixed(u64),
    /// Endpoints are started as they are needed.
    Scaled {
        /// Never more of them.
        endpoints_max: u32,
        /// Of each.
        each: u32,
    },
    /// Endpoints are found, whoever starts them.
    Found {
        /// Of each.
        each: u32,
    },
}

impl Seats {
    /// Those of `pool`.
    pub(super) fn of(pool: &Pool) -> Self {
        let each = pool.policy.concurrency;
        match &pool.scale {
            _ if pool.is_fixed() => {
                Self::Fixed(u64::from(each).saturating_mul(pool.endpoints.len() as u64))
            }
            Some(scale) => Self::Scaled {
                endpoints_max: scale.policy.max,
                each,
            },
            None => Self::Found { each },
        }
    }

    /// How many there are; none: that changes.
    pub(super) fn fixed(self) -> Option<u64> {
        match self {
            Self::Fixed(seats) => Some(seats),
            Self::Scaled { .. } | Self::Found { .. } => None,
        }
    }

    /// How many there can be; none: nobody has said.
    pub(super) fn most(self) -> Option<u64> {
        match self {
            Self::Fixed(seats) => Some(seats),
            Self::Scaled {
                endpoints_max,
                each,
            } => Some(u64::from(endpoints_max) * u64::from(each)),
            Self::Found { .. } => None,
        }
    }

    /// A line on where they come from; none where the config has said it all.
    pub(super) fn origin(self) -> Option<String> {
        match self {
            Self::Fixed(_) => None,
            Self::Scaled {
                endpoints_max,
                each,
            } => Some(format!(
                "endpoints are started as they are needed, at most {}, with {} seats each; --live says how many there are",
                grouped(endpoints_max.into()),
                grouped(each.into())
            )),
            Self::Found { each } => Some(format!(
                "endpoints are found as `discovery` says, with {} seats each; --live says how many there are",
                grouped(each.into())
            )),
        }
    }
}

impl std::fmt::Display for Seats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self, self.most()) {
            (Self::Fixed(seats), _) => write!(f, "{} seats", grouped(*seats)),
            (_, Some(most)) => write!(f, "seats that there are (at most {})", grouped(most)),
            (_, None) => f.write_str("seats that there are"),
        }
    }
}

//! The rights that addresses ask for.

/// The right that an address asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// Everybody: what tells nothing of the ward.
    Anybody,
    /// Whoever has signed in. What is answered, or done, is of the khu phố that are theirs.
    SignedIn,
    /// Admins alone.
    Admin,
    /// Admins, and whatever runs on this machine: a collector of metrics.
    Machine,
}

use std::ops::{AddAssign, Sub, SubAssign};

use model::{Digest, Entry};

/// How many entries a set has, and their digest: what both sides compare to know that they hold the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum {
    pub count: u32,
    pub digest: Digest,
}

impl Sum {
    pub fn of<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Self {
        let mut sum = Sum::default();
        for entry in entries {
            sum += entry;
        }
        sum
    }
}

impl AddAssign<&Entry> for Sum {
    fn add_assign(&mut self, entry: &Entry) {
        self.count = self.count.wrapping_add(1);
        self.digest += entry;
    }
}

impl SubAssign<&Entry> for Sum {
    fn sub_assign(&mut self, entry: &Entry) {
        self.count = self.count.wrapping_sub(1);
        self.digest -= entry;
    }
}

/// A set without one of its subsets.
impl Sub for Sum {
    type Output = Sum;

    fn sub(mut self, part: Sum) -> Sum {
        self.count = self.count.wrapping_sub(part.count);
        self.digest -= part.digest;
        self
    }
}

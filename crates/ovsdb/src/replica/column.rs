use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::codec::{Atom, Datum};
use crate::schema::Cardinality;

/// A Rust type that holds a column.
///
/// Columns change by differences (ovsdb-server(7) section 4.1.14). A whole value is a difference too: the one against the
/// default, which is what a new row starts from. So there is one way in, `patch`.
pub trait Column: Default {
    const CARDINALITY: Cardinality;

    /// Applies a difference; `None`, with the value in an unspecified state, if it is not of this column's type.
    fn patch(&mut self, difference: &Datum) -> Option<()>;
}

/// A Rust type that holds one value of a column.
pub trait Scalar: Sized + Ord {
    fn from_atom(atom: &Atom) -> Option<Self>;
}

macro_rules! scalar {
    ($($type:ty = $variant:ident),*) => {
        $(
            impl Scalar for $type {
                fn from_atom(atom: &Atom) -> Option<Self> {
                    match atom {
                        Atom::$variant(value) => Some(value.clone()),
                        _ => None,
                    }
                }
            }

            /// The difference of a single value is the new value.
            impl Column for $type {
                const CARDINALITY: Cardinality = Cardinality::One;

                fn patch(&mut self, difference: &Datum) -> Option<()> {
                    match difference.elements()? {
                        [atom] => *self = Scalar::from_atom(atom)?,
                        _ => return None,
                    }
                    Some(())
                }
            }
        )*
    };
}
scalar!(i64 = Integer, bool = Boolean, String = String);

impl Scalar for Uuid {
    fn from_atom(atom: &Atom) -> Option<Self> {
        match atom {
            Atom::Uuid(uuid) => Some(*uuid),
            _ => None,
        }
    }
}

/// The difference of an optional value is the new value, or none.
impl<T: Scalar> Column for Option<T> {
    const CARDINALITY: Cardinality = Cardinality::One;

    fn patch(&mut self, difference: &Datum) -> Option<()> {
        *self = match difference.elements()? {
            [] => None,
            [atom] => Some(T::from_atom(atom)?),
            _ => return None,
        };
        Some(())
    }
}

/// The difference of two sets is what only one of them holds.
impl<T: Scalar> Column for BTreeSet<T> {
    const CARDINALITY: Cardinality = Cardinality::Many;

    fn patch(&mut self, difference: &Datum) -> Option<()> {
        for atom in difference.elements()? {
            let element = T::from_atom(atom)?;
            if !self.remove(&element) {
                self.insert(element);
            }
        }
        Some(())
    }
}

/// The difference of two maps is the pairs whose key only one of them holds, and the new pair where values differ. So a
/// pair that is known, value and all, is one that went.
impl<K: Scalar, V: Scalar> Column for BTreeMap<K, V> {
    const CARDINALITY: Cardinality = Cardinality::Many;

    fn patch(&mut self, difference: &Datum) -> Option<()> {
        let Datum::Map(pairs) = difference else { return None };
        for (key, value) in pairs {
            let (key, value) = (K::from_atom(key)?, V::from_atom(value)?);
            if self.get(&key) == Some(&value) {
                self.remove(&key);
            } else {
                self.insert(key, value);
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn patched<T: Column>(mut value: T, difference: impl Into<Datum>) -> Option<T> {
        value.patch(&difference.into()).map(|()| value)
    }

    #[test]
    fn one_value_is_replaced() {
        assert_eq!(patched(3i64, 4i64), Some(4));
        assert_eq!(patched(Some(3i64), 3i64), Some(Some(3)), "not toggled like an element of a set");
        assert_eq!(patched(Some(3i64), Datum::Set(vec![])), Some(None));
        assert_eq!(patched(String::new(), 3i64), None);
        assert_eq!(patched(Some(3i64), [1i64, 2].into_iter().collect::<Datum>()), None);
        assert_eq!(patched(false, Datum::Map(vec![])), None);
    }

    #[test]
    fn many_values_are_toggled() {
        let set = BTreeSet::from([1i64, 2]);
        assert_eq!(patched(set.clone(), [2i64, 7].into_iter().collect::<Datum>()), Some(BTreeSet::from([1, 7])));
        assert_eq!(patched(set, 1i64), Some(BTreeSet::from([2])), "a single element comes bare");
        let map = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()
        };
        let old = map(&[("gone", "1"), ("changed", "2"), ("kept", "3")]);
        let difference = map(&[("gone", "1"), ("changed", "5"), ("new", "6")]);
        assert_eq!(patched(old, &difference), Some(map(&[("changed", "5"), ("kept", "3"), ("new", "6")])));
    }

    proptest! {
        /// Against differences made by the definition in the manual.
        #[test]
        fn applies_any_difference(
            old in prop::collection::btree_map("[a-c]", "[xy]", 0..4),
            new in prop::collection::btree_map("[a-c]", "[xy]", 0..4),
        ) {
            let went = old.iter().filter(|(key, _)| !new.contains_key(*key));
            let came = new.iter().filter(|(key, value)| old.get(*key) != Some(value));
            let difference: BTreeMap<String, String> =
                went.chain(came).map(|(key, value)| (key.clone(), value.clone())).collect();
            prop_assert_eq!(patched(old.clone(), &difference), Some(new.clone()));

            let keys = |map: &BTreeMap<String, String>| map.keys().cloned().collect::<BTreeSet<_>>();
            let difference: Datum = keys(&old).symmetric_difference(&keys(&new)).cloned().collect();
            prop_assert_eq!(patched(keys(&old), difference), Some(keys(&new)));
        }
    }
}

/// Defines a type of versioned objects: its name, the minor versions that are known, and its fields in Neutron's order, each with
/// the minor version that it came with if it was not there in the first. A field's name is the member's, but for a raw identifier.
/// `standard` adds what every resource of Neutron has.
macro_rules! object {
    (
        $(#[$doc:meta])*
        $object:ident = $name:literal, minor $first:literal to $last:literal $(, $children:expr)? ;
        standard;
        $($rest:tt)*
    ) => {
        object! {
            $(#[$doc])*
            $object = $name, minor $first to $last $(, $children)?;
            $($rest)*
            revision_number: i64;
            description: String;
            /// As in `2026-11-22T20:43:06Z`.
            created_at: String;
            updated_at: String;
        }
    };
    (
        $(#[$doc:meta])*
        $object:ident = $name:literal, minor $first:literal to $last:literal $(, $children:expr)? ;
        $($(#[$field_doc:meta])* $field:ident: $type:ty $(, since $since:literal)? ;)*
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct $object {
            $($(#[$field_doc])* pub $field: $crate::object::Field<$type>,)*
        }

        impl $crate::object::Object for $object {
            const NAME: &'static str = $name;
            const MINORS: (u32, u32) = ($first, $last);
            const CHILDREN: $crate::object::Children = object!(@children $($children)?);

            fn read_fields(data: &$crate::object::Data) -> Result<Self, $crate::Error> {
                Ok($object { $($field: $crate::object::field::read::<Self, _>(data, stringify!($field))?,)* })
            }

            fn write_fields<M: serde::ser::SerializeMap>(
                &self,
                holder: $crate::object::Holder,
                map: &mut M,
            ) -> Result<(), M::Error> {
                $($crate::object::field::write(
                    &self.$field, stringify!($field), object!(@since $($since)?), holder, map,
                )?;)*
                Ok(())
            }

            fn set_fields(&self, minor: u32) -> Vec<&'static str> {
                let fields = [$((stringify!($field), object!(@since $($since)?), self.$field.is_set())),*];
                fields.into_iter().filter(|(_, since, set)| *set && *since <= minor).map(|(name, ..)| name).collect()
            }
        }

        impl $crate::object::field::FieldType for $object {
            fn read(value: &$crate::Json) -> Result<Self, $crate::Error> {
                Ok(<Self as $crate::object::Object>::read(value)?.0)
            }

            fn write<S: serde::Serializer>(&self, holder: $crate::object::Holder, serializer: S) -> Result<S::Ok, S::Error> {
                let minor = holder.minor_of::<Self>();
                serde::Serialize::serialize(&$crate::object::At { object: self, minor, changes: false }, serializer)
            }
        }
    };
    (@since) => { 0 };
    (@since $since:literal) => { $since };
    (@children) => { &[] };
    (@children $children:expr) => { $children };
}

pub(super) use object;

//! Any bytes as a versioned object: an error, or an object that is the same once it was written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oslo::Json;
use oslo::object::{AddressGroup, Network, Object, Port, SecurityGroup, SecurityGroupRule, Subnet};

fuzz_target!(|bytes: &[u8]| {
    let Ok(primitive) = serde_json::from_slice::<Json>(bytes) else { return };
    check::<Port>(&primitive);
    check::<Network>(&primitive);
    check::<Subnet>(&primitive);
    check::<SecurityGroup>(&primitive);
    check::<SecurityGroupRule>(&primitive);
    check::<AddressGroup>(&primitive);
});

fn check<T: Object>(primitive: &Json) {
    let Ok((object, version)) = T::read(primitive) else { return };
    let once = object.write(version).unwrap();
    let (again, _) = T::read(&once).unwrap();
    assert_eq!(again.write(version).unwrap().as_str(), once.as_str());
}

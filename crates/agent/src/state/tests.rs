mod adoption;
mod facts;
mod failures;
mod switch;
mod tunnels;
mod vlans;
mod wiring;
mod world;

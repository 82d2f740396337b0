mod adoption;
mod facts;
mod switch;
mod tunnels;
mod vlans;
mod wiring;
mod world;

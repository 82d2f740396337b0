//! The pipeline as its users see it: facts in, flows and plans out.

mod adoption;
mod fixture;
mod order;
mod property;
mod scenario;
mod switch;
mod text;

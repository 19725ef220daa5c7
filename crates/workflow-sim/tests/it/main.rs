//! The simulator plays, repeats itself, and finds what is wrong.

mod broken;
mod own;
mod seeds;

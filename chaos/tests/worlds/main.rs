//! The judge is judged: each world that breaks one thing is found to break that, and one that breaks nothing passes.

//! A model of the coherence protocol and of the gate, explored exhaustively.

"""An emulated SIM bank: osmo-remsim's server and bankd around software USIMs."""

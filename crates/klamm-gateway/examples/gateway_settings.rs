//! Prints the reference of the gateway's configuration: docs/gateway.md.

fn main() {
    print!("{}", klamm_gateway::config::reference());
}

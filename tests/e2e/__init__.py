"""The whole product: a manager process, real executor containers, a node's real sockets."""

"""Makes the models of a suite, in this process or under a foreign interpreter, and checks what they return."""

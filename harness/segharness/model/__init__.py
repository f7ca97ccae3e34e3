"""A suite's model entry -> an object that predicts, here or under another interpreter; and checks of what it returns."""

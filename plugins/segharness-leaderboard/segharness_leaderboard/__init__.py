"""The protocols of the shared leaderboard."""

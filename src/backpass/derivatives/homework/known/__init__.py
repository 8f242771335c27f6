"""The mistakes that learners make, a file a topic."""

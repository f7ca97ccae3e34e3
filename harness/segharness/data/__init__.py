"""A suite's data sets, opened: images and ground truth (`dataset`), and the policy of their categories (`taxonomy`)."""

"""A suite's data sets, opened: their images and ground truth (`dataset`), and what becomes of categories (`taxonomy`)."""

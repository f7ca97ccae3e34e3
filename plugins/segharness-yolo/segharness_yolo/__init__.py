"""YOLOv8-seg and YOLO11-seg networks, exported to TFLite or ONNX, decoded by our own code."""

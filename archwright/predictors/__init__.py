"""Features of architectures, and models that predict a metric from them: values only."""

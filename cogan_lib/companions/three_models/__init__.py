"""Three generative models on one task with a known answer: log-normal fields (chapter 11)."""

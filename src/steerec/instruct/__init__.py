"""Instruction data: tasks that draw requests, labels by the teacher, rows of prompts and answers."""

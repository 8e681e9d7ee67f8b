"""The protocol, control and accuracy in one honest table, with intervals, plots and an independent oracle."""

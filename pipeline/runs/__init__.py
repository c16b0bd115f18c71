"""What a run is: its folder, how it is saved, loaded, plotted and logged, and how it predicts."""

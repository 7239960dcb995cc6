"""What livebg costs, told as ratios taken in one run on one machine: these are what compares between machines."""

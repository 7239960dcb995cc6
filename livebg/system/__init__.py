"""What doctor, setup and tray ask of the machine."""

"""Access to the machine, shared by the doctor, setup and the tray."""

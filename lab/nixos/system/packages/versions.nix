{
  hypervisor = "1.4.0";
  desktop = "0.3.0";
  # The dev sandbox gets a new runtime first.
  sandbox-live = "0.1.0";
  sandbox-dev = "0.1.0";
}

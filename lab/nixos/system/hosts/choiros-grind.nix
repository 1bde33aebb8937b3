# Builds, staging, standby.
{
  choiros.domain = "staging.example.com";
}

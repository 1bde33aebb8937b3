# Never builds, never holds a checkout; gets whole systems from grind.
{
  choiros.domain = "example.com";
}

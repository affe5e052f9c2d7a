"""Chapter 08: extinction profiles along sightlines from colour-magnitude diagrams of stars."""

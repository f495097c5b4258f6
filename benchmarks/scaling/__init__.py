"""Laws: the studies of results/scaling, their judge and pages, and checks of the fit on planted and public points."""

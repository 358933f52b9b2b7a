def bench(*a): raise SystemExit

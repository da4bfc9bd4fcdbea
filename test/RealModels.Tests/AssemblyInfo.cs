// Two libtorch thread pools at once on two cores collapse: tests run one at a time.
[assembly: DoNotParallelize]

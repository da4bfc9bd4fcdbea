// Builds and fits at once would take each other's cores, and memory is measured: tests run one at a time.
[assembly: DoNotParallelize]

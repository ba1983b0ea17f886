// A warning of the process (a leaked listener, a deprecated call, an unhandled rejection) fails the test that is running.
process.on('warning', (warning) => {
  throw warning
})

//! Which of a host's devices a process computes on.

use crate::backend::{Backend, BackendError};

/// A process among those of its job on the same host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalRank {
    /// Its number, from 0.
    pub rank: usize,
    /// The number of processes on the host.
    pub count: usize,
}

impl Default for LocalRank {
    /// A process alone.
    fn default() -> Self {
        Self { rank: 0, count: 1 }
    }
}

impl LocalRank {
    /// Returns the number of the device that the process opens: `given`, or else its own number if there are others; `None`
    /// for the default device. `devices` counts those of the host.
    ///
    /// # Errors
    /// A number on a CPU or beyond the last device, or more processes than devices.
    pub fn device_index(
        self,
        given: Option<usize>,
        backend: Backend,
        devices: impl FnOnce() -> Result<usize, BackendError>,
    ) -> Result<Option<usize>, BackendError> {
        let Self { rank, count: processes } = self;
        match given {
            Some(index) if !backend.is_gpu() => Err(BackendError::IndexOfCpu { backend, index }),
            Some(index) => match devices()? {
                devices if index < devices => Ok(Some(index)),
                devices => Err(BackendError::NoSuchIndex { backend, index, devices }),
            },
            None if !backend.is_gpu() || processes == 1 => Ok(None),
            None => match devices()? {
                devices if processes <= devices => Ok(Some(rank)),
                devices => Err(BackendError::TooFewDevices { backend, processes, devices }),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(given: Option<usize>, rank: usize, count: usize, devices: usize) -> Result<Option<usize>, String> {
        let local = LocalRank { rank, count };
        local.device_index(given, Backend::Cuda, || Ok(devices)).map_err(|error| error.to_string())
    }

    #[test]
    fn each_process_of_a_host_has_a_device_of_its_own() {
        assert_eq!(choice(None, 0, 1, 4), Ok(None), "the default device");
        assert_eq!(choice(None, 2, 4, 4), Ok(Some(2)));
        assert_eq!(choice(Some(3), 2, 8, 4), Ok(Some(3)), "the one given");
        let error = choice(None, 2, 4, 3).unwrap_err();
        assert!(error.contains("4 processes on this host") && error.contains("3 devices"), "{error}");
        assert!(error.contains("fewer processes") && error.contains("--device-index"), "{error}");
        let error = choice(Some(4), 0, 1, 4).unwrap_err();
        assert!(error.contains("--device-index = 4") && error.contains("at most 3"), "{error}");
        let error = choice(Some(0), 0, 1, 0).unwrap_err();
        assert!(error.contains("no device"), "{error}");
    }

    #[test]
    fn a_cpu_has_no_index() {
        let devices = || unreachable!("a CPU has none to count");
        let local = LocalRank { rank: 1, count: 3 };
        assert_eq!(local.device_index(None, Backend::Flex, devices).unwrap(), None);
        let error = local.device_index(Some(1), Backend::Flex, devices).unwrap_err().to_string();
        assert!(error.contains("--device-index = 1") && error.contains("`flex`"), "{error}");
    }
}

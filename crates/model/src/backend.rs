//! The devices of this build, chosen by cargo features. Nothing else in the crate names a backend.

use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::str::FromStr;
use std::sync::{Arc, Mutex};

use burn::tensor::{Device, Tensor};

use crate::device_index::LocalRank;

/// A backend, named as its cargo feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// NVIDIA GPUs.
    Cuda,
    /// GPUs with a Vulkan driver.
    Vulkan,
    /// GPUs by the system's API: Metal, Vulkan, DirectX or OpenGL.
    Wgpu,
    /// The CPU, with the crate ndarray.
    Ndarray,
    /// The CPU, with burn's own backend and the fused kernels.
    Flex,
}

/// All backends, in order of preference.
const ALL: [Backend; 5] = [Backend::Cuda, Backend::Vulkan, Backend::Wgpu, Backend::Ndarray, Backend::Flex];

/// The reason why no device is available.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// No backend has this name.
    #[error("unknown device `{found}`: expected one of {expected}")]
    Unknown {
        /// The name given.
        found: String,
        /// The names of all backends.
        expected: String,
    },
    /// The build lacks the backend.
    #[error(
        "device `{backend}` is not in this build, which has {compiled}; build with `--features {backend}` or choose one of those"
    )]
    NotCompiled {
        /// The requested backend.
        backend: Backend,
        /// The names of the backends in this build.
        compiled: String,
    },
    /// The build has no backend at all.
    #[error("this build has no backend; build with `--features flex` (CPU) or `--features wgpu` (GPU)")]
    None,
    /// The device does not work.
    #[error(
        "device `{backend}` cannot be opened: {reason}\nUse the CPU instead: `--device flex` where it is compiled in, \
         or a build without GPU features"
    )]
    CannotOpen {
        /// The backend of the device.
        backend: Backend,
        /// The driver's message.
        reason: String,
    },
    /// A number of a device on a CPU.
    #[error("--device-index = {index}: device `{backend}` is the CPU, expected a GPU; omit the option")]
    IndexOfCpu {
        /// The backend.
        backend: Backend,
        /// The number given.
        index: usize,
    },
    /// A number beyond the last device.
    #[error("--device-index = {index}: {}", at_most(*.devices, *.backend))]
    NoSuchIndex {
        /// The backend.
        backend: Backend,
        /// The number given.
        index: usize,
        /// The devices of this host.
        devices: usize,
    },
    /// More processes on a host than devices.
    #[error(
        "found {processes} processes on this host and {devices} devices of `{backend}`, expected a device for each; start \
         fewer processes here, or give --device-index if each process sees devices of its own or several share one"
    )]
    TooFewDevices {
        /// The backend.
        backend: Backend,
        /// The processes of the job on this host.
        processes: usize,
        /// The devices of this host.
        devices: usize,
    },
}

fn at_most(devices: usize, backend: Backend) -> String {
    match devices.checked_sub(1) {
        Some(last) => format!("expected at most {last}, the last device of `{backend}` on this host"),
        None => format!("found no device of `{backend}` on this host; choose another --device"),
    }
}

/// The backends compiled in, in order of preference: cuda, vulkan, wgpu, ndarray, flex.
pub fn compiled() -> Vec<Backend> {
    ALL.into_iter().filter(|backend| backend.is_compiled()).collect()
}

/// Whether this is the CPU backend `flex`.
pub fn is_flex(device: &Device) -> bool {
    #[cfg(feature = "flex")]
    return *device == Device::flex();
    #[cfg(not(feature = "flex"))]
    {
        let _ = device;
        false
    }
}

/// The named backend, or the best one compiled in.
///
/// # Errors
/// A name that is unknown or not compiled in.
pub fn choose(name: Option<&str>) -> Result<Backend, BackendError> {
    match name {
        Some(name) => {
            let backend: Backend = name.parse()?;
            match backend.is_compiled() {
                true => Ok(backend),
                false => Err(BackendError::NotCompiled { backend, compiled: list(&compiled()) }),
            }
        }
        None => compiled().into_iter().next().ok_or(BackendError::None),
    }
}

impl Backend {
    fn is_compiled(self) -> bool {
        match self {
            Backend::Cuda => cfg!(feature = "cuda"),
            Backend::Vulkan => cfg!(feature = "vulkan"),
            Backend::Wgpu => cfg!(feature = "wgpu"),
            Backend::Ndarray => cfg!(feature = "ndarray"),
            Backend::Flex => cfg!(feature = "flex"),
        }
    }

    /// Whether it computes on a graphics processor.
    pub fn is_gpu(self) -> bool {
        matches!(self, Backend::Cuda | Backend::Vulkan | Backend::Wgpu)
    }

    /// The name, and whether the build joins burn's operations on a GPU into fewer kernels.
    pub fn description(self) -> String {
        match self.is_gpu() && cfg!(feature = "fusion") {
            true => format!("{self} with fusion"),
            false => self.to_string(),
        }
    }

    /// Opens the default device and computes a sum on it, so that a missing GPU is an error here and not later.
    ///
    /// # Errors
    /// The device cannot be used, or is not compiled in.
    pub fn open(self) -> Result<Device, BackendError> {
        self.open_at(None, LocalRank::default())
    }

    /// As [`open`](Self::open), with the device number `index` of a GPU backend, or that of [`LocalRank::device_index`].
    ///
    /// # Errors
    /// As [`open`](Self::open); a number that no device has, or more processes on this host than devices.
    pub fn open_at(self, index: Option<usize>, local: LocalRank) -> Result<Device, BackendError> {
        let devices = || self.probed(|| Ok(self.devices()));
        match local.device_index(index, self, || Ok(devices()?.len()))? {
            Some(index) => {
                let missing = BackendError::NoSuchIndex { backend: self, index, devices: 0 };
                let device = devices()?.into_iter().nth(index).ok_or(missing)?;
                self.probed(|| self.working(device))
            }
            None if !self.is_gpu() => self.device(),
            None => self.probed(|| self.working(self.device()?)),
        }
    }

    /// Calls `open`, which may panic: GPU runtimes report a missing driver or adapter by a panic at first use, often on a
    /// thread of their own. Only the first panic holds the reason.
    fn probed<T>(self, open: impl FnOnce() -> Result<T, BackendError>) -> Result<T, BackendError> {
        let first_panic = Arc::new(Mutex::new(None));
        let recorded = first_panic.clone();
        let hook = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if let Ok(mut first) = recorded.lock() {
                first.get_or_insert_with(|| info.payload_as_str().unwrap_or("no such device or driver").to_string());
            }
        }));
        let probed = panic::catch_unwind(AssertUnwindSafe(open));
        panic::set_hook(hook);
        probed.unwrap_or_else(|_| {
            let first = first_panic.lock().ok().and_then(|mut first| first.take());
            Err(self.cannot_open(first.unwrap_or_else(|| "no such device or driver".to_string())))
        })
    }

    /// Returns the device if it computes a sum.
    fn working(self, device: Device) -> Result<Device, BackendError> {
        let one = Tensor::<1>::ones([1], &device);
        let two = (one.clone() + one).try_into_data().map_err(|error| self.cannot_open(error))?;
        match two.iter::<f32>().next() {
            Some(2.0) => Ok(device),
            other => Err(self.cannot_open(format!("it computes 1 + 1 = {other:?}"))),
        }
    }

    /// The GPUs of this backend, in the order of their numbers.
    fn devices(self) -> Vec<Device> {
        match self {
            #[cfg(feature = "cuda")]
            Backend::Cuda => Device::enumerate(burn::tensor::DeviceType::Cuda).to_vec(),
            #[cfg(feature = "vulkan")]
            Backend::Vulkan => Device::enumerate(burn::tensor::DeviceType::Vulkan).to_vec(),
            #[cfg(feature = "wgpu")]
            Backend::Wgpu => Device::enumerate(burn::tensor::DeviceType::Wgpu).to_vec(),
            #[allow(unreachable_patterns)] // reachable for each backend that is not compiled in
            Backend::Cuda | Backend::Vulkan | Backend::Wgpu | Backend::Ndarray | Backend::Flex => Vec::new(),
        }
    }

    fn device(self) -> Result<Device, BackendError> {
        match self {
            #[cfg(feature = "cuda")]
            Backend::Cuda => Ok(Device::cuda(0)),
            #[cfg(feature = "vulkan")]
            Backend::Vulkan => Ok(Device::vulkan(burn::tensor::DeviceKind::DefaultDevice)),
            #[cfg(feature = "wgpu")]
            Backend::Wgpu => Ok(Device::wgpu(burn::tensor::DeviceKind::DefaultDevice)),
            #[cfg(feature = "ndarray")]
            Backend::Ndarray => Ok(
                #[allow(deprecated)] // kept on purpose, as a second CPU backend
                Device::ndarray(),
            ),
            #[cfg(feature = "flex")]
            Backend::Flex => Ok(Device::flex()),
            #[allow(unreachable_patterns)] // reachable for each backend that is not compiled in
            Backend::Cuda | Backend::Vulkan | Backend::Wgpu | Backend::Ndarray | Backend::Flex => {
                Err(BackendError::NotCompiled { backend: self, compiled: list(&compiled()) })
            }
        }
    }

    fn cannot_open(self, reason: impl ToString) -> BackendError {
        let reason = reason.to_string();
        BackendError::CannotOpen { backend: self, reason: reason.lines().next().unwrap_or_default().to_string() }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Backend::Cuda => "cuda",
            Backend::Vulkan => "vulkan",
            Backend::Wgpu => "wgpu",
            Backend::Ndarray => "ndarray",
            Backend::Flex => "flex",
        })
    }
}

impl FromStr for Backend {
    type Err = BackendError;

    fn from_str(name: &str) -> Result<Self, BackendError> {
        ALL.into_iter()
            .find(|backend| backend.to_string() == name)
            .ok_or_else(|| BackendError::Unknown { found: name.to_string(), expected: list(&ALL) })
    }
}

fn list(backends: &[Backend]) -> String {
    backends.iter().map(Backend::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_written() {
        for backend in ALL {
            assert_eq!(backend.to_string().parse::<Backend>().unwrap(), backend);
        }
        assert!(choose(Some("tpu")).unwrap_err().to_string().contains("expected one of cuda, vulkan"));
    }

    #[test]
    fn the_default_is_the_first_compiled() {
        assert_eq!(choose(None).unwrap(), compiled()[0]);
        assert!(choose(Some("flex")).unwrap().open().is_ok());
    }
}

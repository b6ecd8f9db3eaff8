// The service worker, which shows the last pages without a network and takes push messages.

export async function registerWorker() {
  const url = document.body.dataset.worker;
  if (!url || !("serviceWorker" in navigator)) return null;
  try {
    return await navigator.serviceWorker.register(url, { scope: new URL(".", new URL(url, location)).pathname });
  } catch {
    // Without https there is none; everything else works.
    return null;
  }
}

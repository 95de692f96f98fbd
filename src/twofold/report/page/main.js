// Start.

drawLegend();
startGallery();
startViewer();
startThreshold();
showPlaces();

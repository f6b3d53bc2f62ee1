"""What people look at: `report`, one HTML page of gold that needs no network and no server."""

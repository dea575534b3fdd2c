"""What every screen needs: templates, assets, forms, page routes, languages."""
